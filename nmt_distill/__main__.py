"""``python -m nmt_distill``."""

import sys

from nmt_distill.cli import main

sys.exit(main())
