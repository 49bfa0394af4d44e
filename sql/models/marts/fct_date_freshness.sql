{{ config(schema=var('mart_schema')) }}

with buckets as (

    select * from {{ ref('fct_source_dates') }}

),

summarised as (

    select
        source,
        date_stamp,
        count(*) as run_count,
        max(created_at) as latest_created_at,
        min(case when outcome = 'succeeded' then last_event_at end) as first_succeeded_at
    from buckets
    group by source, date_stamp

),

-- one bucket a day, or a few that were created in the same instant: no need to rank them all
newest as (

    select
        buckets.source,
        buckets.date_stamp,
        buckets.run_id,
        buckets.outcome,
        row_number() over (partition by buckets.source, buckets.date_stamp order by buckets.run_id desc) as newest_first
    from buckets
    inner join summarised
        on
            buckets.source = summarised.source
            and buckets.date_stamp = summarised.date_stamp
            and buckets.created_at = summarised.latest_created_at

),

final as (

    select
        summarised.source,
        summarised.date_stamp,
        summarised.run_count,
        newest.run_id as latest_run_id,
        newest.outcome as latest_outcome,
        summarised.first_succeeded_at,
        {{ seconds_between(end_of_utc_day('summarised.date_stamp'), 'summarised.first_succeeded_at') }}
            as landing_lag_seconds,
        summarised.first_succeeded_at is not null as is_landed
    from summarised
    inner join newest
        on
            summarised.source = newest.source
            and summarised.date_stamp = newest.date_stamp
            and newest.newest_first = 1

)

select * from final
