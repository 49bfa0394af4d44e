-- Nothing is lost on the way: every run, every bucket, and every event that starts or closes an attempt is counted.

with runs as (

    select * from {{ ref('stg_ingestion_runs') }}
    where run_id in ({{ built_runs() }})

),

staged_histories as (

    select
        run_id,
        level,
        source,
        date_stamp,
        count(case when phase = 'started' then 1 end) as start_count,
        count(case when phase in ('complete', 'error') then 1 end) as close_count
    from {{ ref('stg_status_events') }}
    where run_id in ({{ built_runs() }})
    group by run_id, level, source, date_stamp

),

staged as (

    select
        run_id,
        count(case when level = 'source_date' then 1 end) as bucket_count,
        sum(start_count) as start_count,
        sum(close_count) as close_count
    from staged_histories
    group by run_id

),

attempts as (

    select
        run_id,
        count(started_at) + sum(restart_count) as start_count,
        count(ended_at) as close_count
    from {{ ref('fct_stage_attempts') }}
    where run_id in ({{ built_runs() }})
    group by run_id

),

buckets as (

    select
        run_id,
        count(*) as bucket_count
    from {{ ref('fct_source_dates') }}
    where run_id in ({{ built_runs() }})
    group by run_id

),

modelled_runs as (

    select
        run_id,
        count(*) as run_count
    from {{ ref('fct_runs') }}
    where run_id in ({{ built_runs() }})
    group by run_id

)

select
    runs.run_id,
    modelled_runs.run_count,
    staged.bucket_count as staged_bucket_count,
    buckets.bucket_count
from runs
left join modelled_runs on runs.run_id = modelled_runs.run_id
left join staged on runs.run_id = staged.run_id
left join attempts on runs.run_id = attempts.run_id
left join buckets on runs.run_id = buckets.run_id
where
    coalesce(modelled_runs.run_count, 0) <> 1
    or coalesce(staged.start_count, 0) <> coalesce(attempts.start_count, 0)
    or coalesce(staged.close_count, 0) <> coalesce(attempts.close_count, 0)
    or coalesce(staged.bucket_count, 0) <> coalesce(buckets.bucket_count, 0)
