{{ config(schema=var('mart_schema'), **statsig_runs.by_changed_days()) }}

with changed_days as (

    select * from {{ ref('int_changed_days') }}

),

buckets as (

    select * from {{ ref('fct_source_dates') }}
    where created_date in (select created_date from changed_days)

),

timed_oddly as (

    select
        run_id,
        source,
        date_stamp
    from {{ ref('int_implausible_times') }}
    where place = 'event'

),

sources as (

    select distinct source from {{ ref('fct_source_dates') }}

),

-- a day without a bucket gets a row that counts as nothing
buckets_and_quiet_days as (

    select
        buckets.run_id,
        buckets.created_date,
        buckets.source,
        buckets.outcome,
        buckets.error_count,
        buckets.is_recovered,
        buckets.retry_count,
        case when timed_oddly.run_id is null then buckets.total_seconds end as total_seconds
    from buckets
    left join timed_oddly
        on
            buckets.run_id = timed_oddly.run_id
            and buckets.source = timed_oddly.source
            and buckets.date_stamp = timed_oddly.date_stamp

    union all

    select
        null as run_id,
        changed_days.created_date,
        sources.source,
        null as outcome,
        0 as error_count,
        false as is_recovered,
        0 as retry_count,
        null as total_seconds
    from changed_days
    cross join sources
    where changed_days.has_buckets

),

counted as (

    select
        created_date,
        source,
        count(distinct run_id) as run_count,
        count(run_id) as bucket_count,
        {{ count_outcomes('outcome', 'error_count > 0') }},
        {{ percentiles_of_succeeded('outcome', 'total_seconds') }}
    from buckets_and_quiet_days
    group by created_date, source

),

final as (

    select
        created_date,
        source,
        run_count,
        bucket_count,
        in_progress_count,
        succeeded_count,
        failed_count,
        recovered_count,
        finished_count,
        with_error_count,
        {{ error_rates() }},
        retry_count,
        {{ ratio('retry_count', 'run_count') }} as retries_per_run,
        p50_total_seconds,
        p95_total_seconds
    from counted

)

select * from final
