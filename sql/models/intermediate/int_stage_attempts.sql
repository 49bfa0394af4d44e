{{ config(schema=var('staging_schema'), materialized='incremental', pre_hook='{{ statsig_runs.delete_changed_runs() }}') }}

{#- One pass over the events. Within one stage of one history, an event begins a new attempt when it is the first or
    when the event before it closed one: until then an attempt is open, and a start only restarts it. Events of
    unknown phase neither open nor close, so they are walked apart; they stay here because they count for the first,
    the last and the outcome of their history. -#}
{%- set history = 'level, run_id, source, date_stamp' -%}
{%- set stage_window = 'partition by ' ~ history ~ ', stage, is_known_phase order by event_index' -%}

with status_events as (

    select
        *,
        coalesce(phase in ('started', 'complete', 'error'), false) as is_known_phase,
        case when phase in ('complete', 'error') then phase end as closed_as
    from {{ ref('stg_status_events') }}
    where run_id in ({{ runs_to_build() }})

),

numbered as (

    select
        *,
        1 + coalesce(sum(case when closed_as is not null then 1 else 0 end) over (
            {{ stage_window }} rows between unbounded preceding and 1 preceding
        ), 0) as attempt_number,
        lag(closed_as) over ({{ stage_window }}) as closed_before_as,
        lead(event_index) over ({{ stage_window }}) as next_event_index
    from status_events

),

attempts as (

    select
        level,
        run_id,
        source,
        date_stamp,
        stage,
        is_known_phase,
        attempt_number,
        min(event_index) as first_event_index,
        max(event_index) as last_event_index,
        min(status_at) as first_event_at,
        max(status_at) as last_event_at,
        min(case when phase = 'started' then status_at end) as started_at,
        max(case when closed_as is not null then status_at end) as ended_at,
        max(closed_as) as closed_as,
        max(closed_before_as) as closed_before_as,
        sum(case when phase = 'started' then 1 else 0 end) as start_count,
        max(case when next_event_index is null then status end) as last_status
    from numbered
    group by {{ history }}, stage, is_known_phase, attempt_number

),

final as (

    select
        -- ids
        level,
        run_id,
        source,
        date_stamp,
        stage,
        cast(attempt_number as {{ dbt.type_bigint() }}) as attempt_number,

        -- strings
        case
            when not is_known_phase then null
            when started_at is null then 'unopened'
            when closed_before_as = 'error' then 'retry'
            when closed_before_as = 'complete' then 'rerun'
            else 'first'
        end as kind,
        case when is_known_phase then coalesce(closed_as, 'running') end as outcome,
        -- of the stage's last event; null on the attempts before its last one
        last_status,

        -- numbers
        cast(case when start_count > 1 then start_count - 1 else 0 end as {{ dbt.type_bigint() }}) as restart_count,
        {{ microseconds_between('started_at', 'ended_at') }} as attempt_microseconds,
        first_event_index,
        last_event_index,

        -- booleans
        is_known_phase,

        -- timestamps
        started_at,
        ended_at,
        first_event_at,
        last_event_at

    from attempts

)

select * from final
-- the rows of a run beside each other: what is read for some runs only, here and in the marts built from this, takes
-- a tenth of the time, and less space
order by run_id
