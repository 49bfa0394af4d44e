{{ config(schema=var('staging_schema'), materialized='incremental', pre_hook='{{ statsig_runs.delete_changed_runs() }}') }}

{%- set history = 'attempts.level, attempts.run_id, attempts.source, attempts.date_stamp' -%}
{%- set terminal = var('terminal_success_statuses') -%}

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
        -- complete, error or running; null when the last event's phase is unknown
        max(case when attempts.last_event_index = attempts.history_last_index then attempts.outcome end)
            as last_attempt_outcome,
        count(case when attempts.outcome = 'error' then 1 end) as error_count,
        count(case when attempts.kind = 'retry' then 1 end) as retry_count,
        cast(sum(case when attempts.is_known_phase then attempts.restart_count else 0 end)
            as {{ dbt.type_bigint() }}) as restart_count,
        min(case when attempts.outcome = 'error' then attempts.ended_at end) as first_error_at,
        max(case when attempts.outcome = 'error' then attempts.ended_at end) as last_error_at,
        min(case
            when attempts.outcome = 'complete' and attempts.last_event_index > attempts.last_error_index
                then attempts.ended_at
        end) as recovered_at
    from located as attempts
    group by {{ history }}

),

aged as (

    select
        summarised.*,
        -- as of the fetch, never of the clock
        {{ microseconds_between('summarised.last_event_at', 'runs.fetched_at') }}
            >= {{ var('settle_hours') }} * 3600000000 as is_settled
    from summarised
    inner join runs on summarised.run_id = runs.run_id

),

final as (

    select
        -- ids
        level,
        run_id,
        source,
        date_stamp,

        -- strings
        last_stage,
        last_status,
        case
            when last_attempt_outcome = 'error' then 'failed'
            {%- if terminal %}
            when last_status in ({% for status in terminal %}{{ dbt.string_literal(dbt.escape_single_quotes(status)) }}
                {{- ', ' if not loop.last }}{% endfor %}) then 'succeeded'
            {%- endif %}
            -- a queue that is done is a beginning, not an end
            when last_attempt_outcome = 'complete' and last_status <> 'started' and is_settled then 'succeeded'
            when last_attempt_outcome = 'complete' and last_status <> 'started' then 'in_progress'
            when is_settled then 'stalled'
            else 'in_progress'
        end as outcome,

        -- numbers
        error_count,
        retry_count,
        restart_count,

        -- timestamps
        first_event_at,
        last_event_at,
        first_error_at,
        last_error_at,
        recovered_at

    from aged

)

select * from final
order by run_id  -- as in int_stage_attempts
