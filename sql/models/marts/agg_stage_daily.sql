{{ config(schema=var('mart_schema'), **statsig_runs.by_changed_days()) }}

with runs as (

    select * from {{ ref('fct_runs') }}
    where created_date in (select created_date from {{ ref('int_changed_days') }})

),

stages as (

    select * from {{ ref('fct_run_stages') }}

),

timed_oddly as (

    select run_id from {{ ref('int_implausible_times') }}
    where
        place = 'event'
        and source is null

),

timed as (

    select
        stages.*,
        case when timed_oddly.run_id is null then stages.duration_seconds end as plausible_seconds,
        case when timed_oddly.run_id is null then stages.wait_seconds end as plausible_wait_seconds
    from stages
    left join timed_oddly on stages.run_id = timed_oddly.run_id

),

counted as (

    select
        runs.created_date,
        timed.stage,
        count(*) as run_count,  -- a run has one row for each of its stages
        cast(sum(timed.attempt_count) as {{ dbt.type_bigint() }}) as attempt_count,
        -- at most the last attempt of a stage is open
        cast(sum(timed.attempt_count) as {{ dbt.type_bigint() }})
        - count(case when timed.outcome = 'running' then 1 end) as closed_attempt_count,
        cast(sum(timed.error_count) as {{ dbt.type_bigint() }}) as error_count,
        cast(sum(timed.retry_count) as {{ dbt.type_bigint() }}) as retry_count,
        cast(sum(timed.restart_count) as {{ dbt.type_bigint() }}) as restart_count,
        {{ percentile(0.5, 'timed.plausible_seconds') }} as p50_seconds,
        {{ percentile(0.95, 'timed.plausible_seconds') }} as p95_seconds,
        {{ percentile(0.5, 'timed.plausible_wait_seconds') }} as p50_wait_seconds,
        {{ percentile(0.95, 'timed.plausible_wait_seconds') }} as p95_wait_seconds
    from timed
    inner join runs on timed.run_id = runs.run_id
    group by runs.created_date, timed.stage

),

final as (

    select
        created_date,
        stage,
        run_count,
        attempt_count,
        error_count,
        retry_count,
        restart_count,
        -- every error event ends one attempt
        {{ ratio('error_count', 'closed_attempt_count') }} as attempt_error_rate,
        p50_seconds,
        p95_seconds,
        p50_wait_seconds,
        p95_wait_seconds
    from counted

)

select * from final
