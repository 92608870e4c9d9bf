# A handler from a file: `qntx handler create --file disk.sh` makes it `shell.disk`.
# The payload comes on stdin; what is printed is the log; what goes to $QNTX_RESULT_FILE is the result.
set -eu
df -P / | tail -n 1 | tee "$QNTX_RESULT_FILE"
