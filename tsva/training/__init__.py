"""What fitting a network needs: patches by index, visits of them, and the module that Lightning trains."""
