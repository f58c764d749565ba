"""What may be concluded from scores: weighted means, intervals over slides, paired differences, agreement of counts."""

from tsva.offsets import bin_weights
from tsva.statistics.comparisons import comparison_rows
from tsva.statistics.counts import count_rows
from tsva.statistics.estimates import error_rows, offset_rows
from tsva.statistics.nuclei import nuclei_rows
from tsva.statistics.scores import score_rows

__all__ = ["bin_weights", "comparison_rows", "count_rows", "error_rows", "nuclei_rows", "offset_rows", "score_rows"]
