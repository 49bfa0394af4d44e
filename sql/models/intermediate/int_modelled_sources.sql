{{ config(schema=var('staging_schema'), materialized='table') }}

-- Written last, as int_modelled_runs and for the same reason.
-- depends_on: {{ ref('fct_source_dates') }}, {{ ref('fct_runs') }}, {{ ref('dq_findings') }}
{%- for mart in daily_marts() %}
-- depends_on: {{ ref(mart) }}
{%- endfor %}

with final_statuses as (

    select * from {{ ref('int_final_statuses') }}

),

modelled as (

    select
        source,
        final_status
    from final_statuses
    where not is_gone

)

select * from modelled
