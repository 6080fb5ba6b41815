# Runs one program of the stack, and ends it with the process that started the stack. That process
# holds the other end of this script's standard input and never writes to it. When it stops, panics
# or is killed, even by SIGKILL, the input ends.
#
# usage: sh -c "$(cat supervisor.sh)" supervisor FOLDER PROGRAM [ARGUMENT...]
# The script leads a process group of its own. What the program starts (Lambda functions) stays in
# it.

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

# From here on the script survives the group's TERM. It removes the folder when no process writes
# to it any more.
trap '' TERM
kill -TERM 0
kill -KILL "$program" 2>/dev/null
wait "$program"
# A program that ended by itself leaves its folder: the process that started it reads the log.
if [ -n "$stopping" ]; then
    rm -rf "$folder"
    # The last program of a stack finds the folder around its own one empty.
    rmdir "${folder%/*}" 2>/dev/null
fi
kill -KILL 0
