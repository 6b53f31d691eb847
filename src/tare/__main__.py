"""``python -m tare`` is the command ``tare``."""

import sys

from tare.bench.__main__ import main

sys.exit(main())
