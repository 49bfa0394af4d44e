{{ config(schema=var('staging_schema')) }}

-- The runs whose rows a build has still to make. A run that was only read again, with nothing new, is none of them: its
-- `fetched_at` has moved, and nothing that was decided by it.

with states as (

    select * from {{ ref('int_run_states') }}

),

modelled as (

    select * from {{ ref('int_modelled_runs') }}

),

histories as (

    select * from {{ ref('int_histories') }}

),

implausible_times as (

    select * from {{ ref('int_implausible_times') }}

),

changed as (

    select coalesce(states.run_id, modelled.run_id) as run_id
    from states
    full outer join modelled on states.run_id = modelled.run_id
    where
        states.run_id is null
        or modelled.run_id is null
        or states.fetched_at < modelled.fetched_at
        {%- for column in run_state() if column not in ('fetched_at', 'newest_payload_at') %}
        or {{ differ('states.' ~ column, 'modelled.' ~ column) }}
        {%- endfor %}

),

read_again as (

    select
        states.run_id,
        states.fetched_at
    from states
    inner join modelled on states.run_id = modelled.run_id
    where states.fetched_at > modelled.fetched_at

),

-- a history that fell silent long enough before the newest fetch, and not before the one that was modelled
settled_since as (

    select histories.run_id
    from histories
    inner join read_again on histories.run_id = read_again.run_id
    where
        not histories.is_settled
        and {{ is_settled('histories.last_event_at', 'read_again.fetched_at') }}

),

-- a time that could not be when the run was modelled may be possible by now
timed_oddly as (

    select implausible_times.run_id
    from implausible_times
    inner join read_again on implausible_times.run_id = read_again.run_id

),

outdated as (

    select run_id from changed

    union all

    select run_id from settled_since

    union all

    select run_id from timed_oddly

),

final as (

    select distinct run_id from outdated

)

select * from final
