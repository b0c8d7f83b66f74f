-- What each checkpoint's batches came to, so that any process can tell of the work of all: Lambda, Celery, poller, worker.
alter table projections.checkpoint
    add column batches            bigint not null default 0,
    add column busy_seconds       double precision not null default 0,
    add column last_batch_events  integer not null default 0,
    add column last_batch_seconds double precision not null default 0;
