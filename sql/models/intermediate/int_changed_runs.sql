{{ config(
    schema=var('staging_schema'),
    materialized='table',
    post_hook="{{ statsig_runs.strike('int_modelled_runs', 'run_id', 'not is_gone') }}",
) }}

{#- What the marts hold is compared with what they should hold, run by run: a build that failed half way has not
    written `int_modelled_runs`, and the next one does the same runs again. A new setting, status or version of
    these models changes every run. -#}
{%- set modelled = modelled('int_modelled_runs') -%}
{%- set state = [
    'latest_status', identifier('trigger'), 'created_at', 'last_updated_at', 'fetched_at',
    'payload_count', 'newest_payload_at', 'settings_hash',
] -%}

with runs as (

    select * from {{ ref('stg_ingestion_runs') }}

),

payloads as (

    select * from {{ ref('stg_run_payloads') }}

),

status_catalogue as (

    select * from {{ ref('status_catalogue') }}

),

settings as (

    select
        {{ dbt.hash(
            "'" ~ build_settings() ~ "' || coalesce("
            ~ sorted_list("status || ',' || stage || ',' || phase") ~ ", '')"
        ) }} as settings_hash
    from status_catalogue

),

payloads_per_run as (

    select
        run_id,
        count(*) as payload_count,
        max(fetched_at) as newest_payload_at
    from payloads
    group by run_id

),

wanted as (

    select
        runs.run_id,
        runs.latest_status,
        runs.{{ identifier('trigger') }},
        runs.created_at,
        runs.last_updated_at,
        runs.fetched_at,
        payloads_per_run.payload_count,
        payloads_per_run.newest_payload_at,
        settings.settings_hash
    from runs
    cross join settings
    left join payloads_per_run on runs.run_id = payloads_per_run.run_id

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
        {%- for column in state %}
        or wanted.{{ column }} <> modelled.{{ column }}
        or (wanted.{{ column }} is null) <> (modelled.{{ column }} is null)
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
