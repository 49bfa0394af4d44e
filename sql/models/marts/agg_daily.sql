{{ config(schema=var('mart_schema')) }}

with runs as (

    select * from {{ ref('fct_runs') }}

),

days as (

    {{ days_between_first_and_last('runs', 'created_date') }}

),

triggers as (

    select distinct {{ identifier('trigger') }} from runs

),

-- a day without a run gets a row that counts as nothing
runs_and_quiet_days as (

    select
        run_id,
        created_date,
        {{ identifier('trigger') }},
        effective_outcome,
        first_error_at,
        is_recovered,
        retry_count,
        total_seconds
    from runs

    union all

    select
        null as run_id,
        days.calendar_day as created_date,
        triggers.{{ identifier('trigger') }},
        null as effective_outcome,
        null as first_error_at,
        false as is_recovered,
        0 as retry_count,
        null as total_seconds
    from days
    cross join triggers

),

counted as (

    select
        created_date,
        {{ identifier('trigger') }},
        count(run_id) as run_count,
        {{ count_outcomes('effective_outcome') }},
        count(case when effective_outcome = 'partial' then 1 end) as partial_count,
        {{ count_errors_and_retries() }},
        {{ finished_percentiles('effective_outcome') }}
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
        {{ error_rates() }},
        retry_count,
        {{ ratio('retry_count', 'run_count') }} as retries_per_run,
        p50_total_seconds,
        p95_total_seconds
    from counted

)

select * from final
