# The program ended unexpectedly three times in ten minutes.
[.[] | select(.event == "child_exited" and .level == "warning")]
    | range(2; length) as $i
    | select((.[$i].time | fromdate) - (.[$i - 2].time | fromdate) <= 600)
    | .[$i]
