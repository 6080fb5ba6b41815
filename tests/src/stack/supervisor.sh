# Runs one program of the stack, and sees to it that nothing of it outlives whoever started the
# stack: that process holds the other end of our standard input and never writes to it, so when it
# stops, panics or is killed, even by SIGKILL, the input ends.
#
# usage: sh -c "$(cat supervisor.sh)" supervisor FOLDER PROGRAM [ARGUMENT...]
# We lead a process group of our own; what the program starts (Lambda functions) stays in it.

folder=$1
shift
exec 3<&0 </dev/null
stopping=
trap 'stopping=yes; kill -KILL "$program" 2>/dev/null' TERM
"$@" 3<&- &
program=$!
(read -r nothing <&3; kill -TERM $$) &
exec 3<&-
wait "$program"

# From here on we outlive the group's TERM, to take the folder away once nobody writes to it.
trap '' TERM
kill -TERM 0
kill -KILL "$program" 2>/dev/null
wait "$program"
# A program that ended by itself leaves its folder: whoever started it wants to read the log.
if [ -n "$stopping" ]; then
    rm -rf "$folder"
    # The last program of a stack finds the folder around its own one empty.
    rmdir "${folder%/*}" 2>/dev/null
fi
kill -KILL 0
