# Adds the numbers of each name.
$2 !~ /^[0-9]+$/ {
    print "line " NR ": " $2 " is no number" > "/dev/stderr"
    failed = 1
    exit 2
}
{ total[$1] += $2 }
END {
    if (!failed) for (name in total) print name, total[name]
}
