# The helper started three times in ten minutes: it is killed, or crashes.
[.[] | select(.event == "started")]
    | range(2; length) as $i
    | select((.[$i].time | fromdate) - (.[$i - 2].time | fromdate) <= 600)
    | .[$i]
