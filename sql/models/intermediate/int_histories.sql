{{ config(schema=var('staging_schema'), materialized='incremental', pre_hook='{{ statsig_runs.delete_changed_runs() }}') }}

{%- set history = 'attempts.level, attempts.run_id, attempts.source, attempts.date_stamp' %}

-- What an outcome is judged by, but not the outcome: that also depends on where other histories of the source end.

with attempts as (

    select * from {{ ref('int_stage_attempts') }}
    where run_id in ({{ runs_to_build() }})

),

runs as (

    select * from {{ ref('stg_ingestion_runs') }}

),

located as (

    select
        *,
        max(last_event_index) over (partition by {{ history }}) as history_last_index,
        max(case when outcome = 'error' then last_event_index end)
            over (partition by {{ history }}) as last_error_index
    from attempts

),

summarised as (

    select
        attempts.level,
        attempts.run_id,
        attempts.source,
        attempts.date_stamp,
        min(attempts.first_event_at) as first_event_at,
        max(attempts.last_event_at) as last_event_at,
        max(case when attempts.last_event_index = attempts.history_last_index then attempts.stage end) as last_stage,
        max(case when attempts.last_event_index = attempts.history_last_index then attempts.last_status end)
            as last_status,
        max(case when attempts.last_event_index = attempts.history_last_index then attempts.outcome end)
            as last_attempt_outcome,
        count(case when attempts.outcome = 'error' then 1 end) as error_count,
        count(case when attempts.kind = 'retry' then 1 end) as retry_count,
        cast(sum(case when attempts.is_known_phase then attempts.restart_count else 0 end)
            as {{ dbt.type_bigint() }}) as restart_count,
        min(case when attempts.outcome = 'error' then attempts.ended_at end) as first_error_at,
        max(case when attempts.outcome = 'error' then attempts.ended_at end) as last_error_at,
        -- to be started again is no recovery
        min(case
            when
                attempts.outcome = 'complete'
                and attempts.stage <> 'queue'
                and attempts.last_event_index > attempts.last_error_index
                then attempts.ended_at
        end) as recovered_at
    from located as attempts
    group by {{ history }}

),

final as (

    select
        -- ids
        summarised.level,
        summarised.run_id,
        summarised.source,
        summarised.date_stamp,

        -- strings
        summarised.last_stage,
        summarised.last_status,
        summarised.last_attempt_outcome,

        -- numbers
        summarised.error_count,
        summarised.retry_count,
        summarised.restart_count,

        -- booleans
        {{ is_settled('summarised.last_event_at', 'runs.fetched_at') }} as is_settled,

        -- timestamps
        summarised.first_event_at,
        summarised.last_event_at,
        summarised.first_error_at,
        summarised.last_error_at,
        summarised.recovered_at,
        case when not {{ is_implausible_time('runs.created_at', 'runs.fetched_at') }} then runs.created_at end
            as ordered_at

    from summarised
    inner join runs on summarised.run_id = runs.run_id

)

select * from final
order by run_id  -- as in int_stage_attempts
