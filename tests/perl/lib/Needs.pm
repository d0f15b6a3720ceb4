package Needs;

require No::Such;

1
