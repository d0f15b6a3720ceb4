"""Can be imported no more than what it needs, which is missing."""

import nowhere_to_be_found
