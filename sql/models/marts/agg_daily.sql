{{ config(schema=var('mart_schema'), **statsig_runs.by_changed_days()) }}

-- what makes a day anew looks at this mart for that of the stages as well
-- depends_on: {{ ref('agg_stage_daily') }}

with changed_days as (

    select * from {{ ref('int_changed_days') }}

),

runs as (

    select * from {{ ref('fct_runs') }}
    where created_date in (select created_date from changed_days)

),

timed_oddly as (

    select distinct run_id from {{ ref('int_implausible_times') }}
    where place = 'event'

),

triggers as (

    select distinct {{ identifier('trigger') }} from {{ ref('fct_runs') }}

),

-- a day without a run gets a row that counts as nothing
runs_and_quiet_days as (

    select
        runs.run_id,
        runs.created_date,
        runs.{{ identifier('trigger') }},
        runs.effective_outcome,
        runs.first_error_at,
        runs.is_recovered,
        runs.retry_count,
        case when timed_oddly.run_id is null then runs.effective_seconds end as effective_seconds
    from runs
    left join timed_oddly on runs.run_id = timed_oddly.run_id

    union all

    select
        null as run_id,
        changed_days.created_date,
        triggers.{{ identifier('trigger') }},
        null as effective_outcome,
        null as first_error_at,
        false as is_recovered,
        0 as retry_count,
        null as effective_seconds
    from changed_days
    cross join triggers
    where changed_days.has_runs

),

counted as (

    select
        created_date,
        {{ identifier('trigger') }},
        count(run_id) as run_count,
        {{ count_outcomes('effective_outcome', 'first_error_at is not null') }},
        {{ percentiles_of_succeeded('effective_outcome', 'effective_seconds') }}
    from runs_and_quiet_days
    group by created_date, {{ identifier('trigger') }}

),

final as (

    select
        created_date,
        {{ identifier('trigger') }},
        run_count,
        in_progress_count,
        succeeded_count,
        failed_count,
        partial_count,
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
