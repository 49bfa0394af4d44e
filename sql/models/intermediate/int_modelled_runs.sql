{{ config(
    schema=var('staging_schema'),
    materialized='incremental',
    pre_hook='{{ statsig_runs.delete_changed_runs() }}',
    post_hook='{{ statsig_runs.comment_on_raw_tables() }}',
) }}

-- Written last: a run is recorded as modelled only when every table that holds rows of it, or of its day, was built.
-- depends_on: {{ ref('int_implausible_times') }}
{%- for mart in marts_of_runs() + daily_marts() %}
-- depends_on: {{ ref(mart) }}
{%- endfor %}
{% if var('records_builds') %}-- depends_on: {{ ref('int_built_runs') }}{% endif %}

with changed_runs as (

    select * from {{ ref('int_changed_runs') }}

),

modelled as (

    select
        run_id,
        latest_status,
        {{ identifier('trigger') }},
        created_at,
        last_updated_at,
        fetched_at,
        payload_count,
        newest_payload_at,
        content_hash,
        settings_hash
    from changed_runs
    where not is_gone

)

select * from modelled
