"""A job that says more than fits while nobody reads; prints how many lines came and what the last one says."""

from types import SimpleNamespace

from qntx import v1
from qntx.job import Job
from qntx.outbox import LINE_BYTES, LINES_WAITING_BYTES_MAX, Outbox

outbox = Outbox()
job = Job(v1.JobStart(job_id="JB_1"), outbox, SimpleNamespace())
fit = -(-LINES_WAITING_BYTES_MAX // (10_000 + LINE_BYTES))
for n in range(fit + 50):
    job.log(f"{n:010000}")
job._end(v1.JobFinish(success=True))
outbox.close()
lines = [line.message for message in outbox.messages() for line in message.logs]
print(len(lines) - fit, lines[-1])
