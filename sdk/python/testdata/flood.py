"""A job that says more than fits while nobody reads; prints how many lines came and what the last one says."""

from types import SimpleNamespace

from qntx import v1
from qntx.job import Job
from qntx.outbox import LINES_WAITING_MAX, Outbox

outbox = Outbox()
job = Job(v1.JobStart(job_id="JB_1"), outbox, SimpleNamespace())
for n in range(LINES_WAITING_MAX + 50):
    job.log(f"line {n}")
job._end(v1.JobFinish(success=True))
outbox.close()
lines = [line.message for message in outbox.messages() for line in message.logs]
print(len(lines) - LINES_WAITING_MAX, lines[-1])
