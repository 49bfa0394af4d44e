{{ config(schema=var('staging_schema')) }}

-- The runs that are not as they were modelled. A run that was only read again, with nothing new, is not changed: its
-- `fetched_at` has moved.

with states as (

    select * from {{ ref('int_run_states') }}

),

modelled as (

    select * from {{ ref('int_modelled_runs') }}

),

final as (

    select
        coalesce(states.run_id, modelled.run_id) as run_id,
        states.run_id is null as is_gone,
        {%- for column in run_state() %}
        states.{{ column }},
        {%- endfor %}
        coalesce(
            states.run_id is null
            or modelled.run_id is null
            or states.fetched_at < modelled.fetched_at
            {%- for column in run_state() if column not in ('fetched_at', 'newest_payload_at') %}
            or {{ differ('states.' ~ column, 'modelled.' ~ column) }}
            {%- endfor %},
            false
        ) as is_changed
    from states
    full outer join modelled on states.run_id = modelled.run_id
    where
        states.run_id is null
        or modelled.run_id is null
        {%- for column in run_state() %}
        or {{ differ('states.' ~ column, 'modelled.' ~ column) }}
        {%- endfor %}

)

select * from final
