"""Two-shot virtual autofocusing: two out-of-focus shots per tile into in-focus slides."""

import os

# OpenMP's threads sleep while they wait. Spinning threads make a step five times as long beside another busy process.
# OpenMP reads this when its library is loaded, so it must be set before torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
