# SPDX-License-Identifier: Apache-2.0
"""Monte Carlo estimate of pi: four times the share of random points of the unit square that lie
within the quarter circle.  With p = pi/4 the standard error of the estimate after n points is
4 * sqrt(p * (1 - p) / n): 0.0016 after a million.

Arguments: the number of points (1000000) and the seed (WARDIAN_SEED, else 1)."""

import json
import math
import os
import random
import sys

points = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
seed = int(sys.argv[2]) if len(sys.argv) > 2 else int(os.environ.get("WARDIAN_SEED", "1"))
if points < 1:
    sys.exit("the number of points must be at least 1")

uniform = random.Random(seed).random
inside = 0
for done in range(1, points + 1):
    x, y = uniform(), uniform()
    inside += x * x + y * y <= 1.0
    if done % max(1, points // 10) == 0:
        print(f"{done} of {points} points: {4 * inside / done:.6f}")

share = inside / points
results = {
    "pi": 4 * share,
    "standard_error": 4 * math.sqrt(share * (1 - share) / points),
    "deviation": 4 * share - math.pi,
    "points": points,
}
with open("result.json", "w", encoding="utf-8") as out:
    json.dump(results, out)
