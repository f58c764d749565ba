"""Two-shot virtual autofocusing: two out-of-focus shots per tile into in-focus slides."""
