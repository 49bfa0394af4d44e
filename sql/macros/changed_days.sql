{# The incremental rule of the daily marts: delete the rows of the days that changed (`int_changed_days`), then append what
   these days have now. On Spark, where a reader would see the rows gone, all days are made anew. #}
{% macro by_changed_days() -%}
    {{ return({'materialized': 'table'} if makes_all_days() else {
        'materialized': 'incremental',
        'pre_hook': '{{ statsig_runs.delete_changed_days() }}',
    }) }}
{%- endmacro %}


{% macro makes_all_days() -%}
    {{ return(target.type == 'spark') }}
{%- endmacro %}


{% macro delete_changed_days() -%}
    {%- set changed_days = ref('int_changed_days') -%}
    {%- if is_incremental() -%}
        {{ delete_keys(this, 'created_date', changed_days) }}
    {%- endif -%}
{%- endmacro %}
