{{ config(
    schema=var('staging_schema'),
    materialized='table',
    post_hook="{{ statsig_runs.strike('int_modelled_runs', 'run_id', 'not is_gone') }}",
) }}

{#- What the marts hold is compared with what they should hold, run by run: a build that failed half way has not
    written `int_modelled_runs`, and the next one does the same runs again. A new setting, status or version of
    these models changes every run. -#}
{%- set modelled = modelled('int_modelled_runs') -%}
{%- set state = run_state() -%}
{%- set recorded = adapter.get_columns_in_relation(modelled) | map(attribute='name') | map('lower') | list if modelled -%}

with wanted as (

    select * from {{ ref('int_run_states') }}

),

{% if modelled %}

modelled as (

    select * from {{ modelled }}

),

changed as (

    select
        coalesce(wanted.run_id, modelled.run_id) as run_id,
        wanted.run_id is null as is_gone,
        {%- for column in state %}
        wanted.{{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from wanted
    full outer join modelled on wanted.run_id = modelled.run_id
    where
        wanted.run_id is null
        or modelled.run_id is null
        {#- an earlier version recorded less of a run; the settings hash tells it apart #}
        {%- for column in state if column in recorded or column == identifier('trigger') %}
        or {{ differ('wanted.' ~ column, 'modelled.' ~ column) }}
        {%- endfor %}

)

{% else %}

changed as (

    select
        run_id,
        false as is_gone,
        {%- for column in state %}
        {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from wanted

)

{% endif %}

select * from changed
