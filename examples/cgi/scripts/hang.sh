#!/bin/sh
# Never ends. Without a query it also never begins; with ?later it says its process number first.
if [ "$QUERY_STRING" = later ]; then
    printf 'Content-Type: text/plain\n\n%s\n' $$
fi
exec sleep 1000
