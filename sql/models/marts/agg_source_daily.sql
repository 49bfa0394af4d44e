{{ config(schema=var('mart_schema')) }}

with buckets as (

    select * from {{ ref('fct_source_dates') }}

),

days as (

    {{ days_between_first_and_last('buckets', 'created_date') }}

),

sources as (

    select distinct source from buckets

),

-- a day without a bucket gets a row that counts as nothing
buckets_and_quiet_days as (

    select
        run_id,
        created_date,
        source,
        outcome,
        first_error_at,
        is_recovered,
        retry_count,
        total_seconds
    from buckets

    union all

    select
        null as run_id,
        days.calendar_day as created_date,
        sources.source,
        null as outcome,
        null as first_error_at,
        false as is_recovered,
        0 as retry_count,
        null as total_seconds
    from days
    cross join sources

),

counted as (

    select
        created_date,
        source,
        count(distinct run_id) as run_count,
        count(run_id) as bucket_count,
        {{ count_outcomes('outcome') }},
        {{ count_errors_and_retries() }},
        {{ finished_percentiles('outcome') }}
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
        {{ error_rates() }},
        retry_count,
        {{ ratio('retry_count', 'run_count') }} as retries_per_run,
        p50_total_seconds,
        p95_total_seconds
    from counted

)

select * from final
