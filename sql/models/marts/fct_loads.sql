{{ config(schema=var('mart_schema'), materialized='table' if target.type == 'spark' else 'view') }}

-- A view: the loader writes its record after the models of that load are built. Of the raw table itself: the published copy
-- has no staging views.

{# The loader's records belong to the command line, not to the dlt source: where they are absent, there are none. -#}
{%- set loads = load_relation(source('statsig_raw', 'sync_loads')) if execute -%}
{%- set counts = [
    'new_count', 'changed_count', 'unchanged_count', 'rejected_count', 'missing_count', 'failed_count',
    'request_count', 'retry_count', 'rate_limited_count',
] -%}
{%- set durations = ['fetch_seconds', 'load_seconds', 'model_seconds', 'publish_seconds'] -%}

with loads as (

    {%- if loads %}

    select * from {{ named_in_view(source('statsig_raw', 'sync_loads')) }}

    {%- else %}

    select
        cast(null as {{ dbt.type_string() }}) as load_id,
        cast(null as {{ type_instant() }}) as started_at,
        cast(null as {{ type_instant() }}) as finished_at,
        {%- for name in counts + durations %}
        null as {{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from (select 1 as one) as nothing
    where one = 0

    {%- endif %}

),

final as (

    select
        load_id,
        started_at,
        finished_at,
        {%- for name in counts %}
        cast({{ name }} as {{ dbt.type_bigint() }}) as {{ name }},
        {%- endfor %}
        {%- for name in durations %}
        cast({{ name }} as {{ type_double() }}) as {{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from loads

)

select * from final
