"""The only place that opens files."""

from tsva.io.fields import find_fields
from tsva.io.formats import stored_images
from tsva.io.sharp import read_sharp_fields
from tsva.io.stack_file import read_stack, write_planes, write_stack
from tsva.io.tables import read_table, write_table

__all__ = [
    "find_fields",
    "read_sharp_fields",
    "read_stack",
    "read_table",
    "stored_images",
    "write_planes",
    "write_stack",
    "write_table",
]
