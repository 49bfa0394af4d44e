{{ config(schema=var('mart_schema')) }}

with runs as (

    select * from {{ ref('fct_runs') }}

),

stages as (

    select * from {{ ref('fct_run_stages') }}

),

counted as (

    select
        runs.created_date,
        stages.stage,
        count(*) as run_count,  -- a run has one row for each of its stages
        cast(sum(stages.attempt_count) as {{ dbt.type_bigint() }}) as attempt_count,
        -- at most the last attempt of a stage is open
        cast(sum(stages.attempt_count) as {{ dbt.type_bigint() }})
        - count(case when stages.outcome = 'running' then 1 end) as closed_attempt_count,
        cast(sum(stages.error_count) as {{ dbt.type_bigint() }}) as error_count,
        cast(sum(stages.retry_count) as {{ dbt.type_bigint() }}) as retry_count,
        cast(sum(stages.restart_count) as {{ dbt.type_bigint() }}) as restart_count,
        {{ percentile(0.5, 'stages.duration_seconds') }} as p50_seconds,
        {{ percentile(0.95, 'stages.duration_seconds') }} as p95_seconds
    from stages
    inner join runs on stages.run_id = runs.run_id
    group by runs.created_date, stages.stage

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
        p95_seconds
    from counted

)

select * from final
