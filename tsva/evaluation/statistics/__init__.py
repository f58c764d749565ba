"""What may be concluded from scores: weighted means, intervals over slides, paired differences, agreement of counts."""

from tsva.acquisition.offsets import bin_weights
from tsva.evaluation.statistics.comparisons import comparison_rows
from tsva.evaluation.statistics.counts import count_rows
from tsva.evaluation.statistics.estimates import error_rows, offset_rows
from tsva.evaluation.statistics.nuclei import nuclei_rows
from tsva.evaluation.statistics.scores import score_rows

__all__ = ["bin_weights", "comparison_rows", "count_rows", "error_rows", "nuclei_rows", "offset_rows", "score_rows"]
