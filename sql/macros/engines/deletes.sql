{# Delete from one relation the runs that another one names. #}
{% macro delete_runs(relation, runs) -%}
    {{ return(adapter.dispatch('delete_runs', 'statsig_runs')(relation, runs)) }}
{%- endmacro %}

{% macro default__delete_runs(relation, runs) -%}
    delete from {{ relation }} where run_id in (select run_id from {{ runs }})
{%- endmacro %}

{# Sail deletes by no subquery. #}
{% macro spark__delete_runs(relation, runs) -%}
    merge into {{ relation }} as modelled
    using (select run_id from {{ runs }}) as changed on modelled.run_id = changed.run_id
    when matched then delete
{%- endmacro %}
