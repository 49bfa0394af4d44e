-- A repeated start is fan-out unless an error came before it: retries that are counted otherwise cannot be trusted.

with attempts as (

    select * from {{ ref('fct_stage_attempts') }}
    where run_id in ({{ built_runs() }})

),

with_previous as (

    select
        *,
        lag(outcome) over (
            partition by level, run_id, source, date_stamp, stage order by attempt_number
        ) as previous_outcome
    from attempts

)

select * from with_previous
where
    (kind = 'retry' and coalesce(previous_outcome, 'none') <> 'error')
    or (kind = 'rerun' and coalesce(previous_outcome, 'none') <> 'complete')
    or (kind = 'first' and previous_outcome is not null)
    or (kind = 'unopened' and started_at is not null)
