"""What may be concluded from scores: weighted means, intervals over slides, paired differences, agreement of counts."""
