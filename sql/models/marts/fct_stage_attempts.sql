{{ config(schema=var('mart_schema'), materialized='incremental', pre_hook='{{ statsig_runs.delete_changed_runs() }}') }}

with attempts as (

    select * from {{ ref('int_stage_attempts') }}
    where
        is_known_phase
        and run_id in ({{ runs_to_build() }})

),

final as (

    select
        level,
        run_id,
        source,
        date_stamp,
        stage,
        attempt_number,
        kind,
        started_at,
        ended_at,
        {{ seconds('attempt_microseconds') }} as attempt_seconds,
        outcome,
        restart_count
    from attempts

)

select * from final
