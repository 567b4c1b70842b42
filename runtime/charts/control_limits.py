"""Control limits: how far a chart must deviate for a rate of false alarms.

The in-control mean and spread of a chart are estimates from few values, so a new normal value
follows Student's t, not the normal distribution.
"""

import math
from functools import lru_cache

MIN_PROBABILITY = 1e-12
NEWTON_STEPS = 30  # far more than it takes


@lru_cache(maxsize=1024)
def t_quantile(probability: float, degrees: float) -> float:
    """The value that Student's t with ``degrees`` of freedom exceeds with ``probability``.

    By Wallace's approximation ("Bounds on normal approximations to Student's and the chi-square
    distributions", Annals of Mathematical Statistics 30, 1959): for at least 10 degrees of freedom
    within 1.2 % down to a probability of 1e-6.

    probability: of the upper tail, below .5.
    """
    normal = normal_quantile(probability)
    stretched = normal * (8 * degrees + 3) / (8 * degrees + 1)
    return math.sqrt(degrees * math.expm1(stretched**2 / degrees))


def normal_quantile(probability: float) -> float:
    """The value that a standard normal variable exceeds with ``probability``, below .5.

    By Newton's method. (`statistics.NormalDist` imports hashlib, which costs a device a megabyte.)
    """
    wanted = max(probability, MIN_PROBABILITY)
    value = 0.0
    for _ in range(NEWTON_STEPS):
        tail = math.erfc(value / math.sqrt(2)) / 2
        density = math.exp(-(value**2) / 2) / math.sqrt(2 * math.pi)
        step = (tail - wanted) / density
        value += step
        if abs(step) < 1e-12:
            break
    return value
