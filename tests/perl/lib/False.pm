package False;

0;
