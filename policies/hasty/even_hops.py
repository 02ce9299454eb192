"""Questions of a world with as many of each number of hops: even_hops.py FILE > OUT"""

import json
import sys
from collections import defaultdict

by_hops = defaultdict(list)
with open(sys.argv[1]) as file:
    for line in file:
        by_hops[len(json.loads(line)["question_decomposition"])].append(line)
fewest = min(len(lines) for lines in by_hops.values())
for hops in sorted(by_hops):
    sys.stdout.writelines(by_hops[hops][:fewest])
