"""``python -m ossicle``."""

import sys

from ossicle.cli import main

sys.exit(main())
