package Dependent;

# Can be loaded no more than what it needs, which is missing.

require Nowhere::To::Be::Found;

1
