{# Delete from one relation the rows whose key another one has. #}
{% macro delete_keys(relation, key, others) -%}
    {{ return(adapter.dispatch('delete_keys', 'statsig_runs')(relation, key, others)) }}
{%- endmacro %}

{% macro default__delete_keys(relation, key, others) -%}
    delete from {{ relation }} where {{ key }} in (select {{ key }} from {{ others }} as others)
{%- endmacro %}

{# Sail deletes by no subquery. #}
{% macro spark__delete_keys(relation, key, others) -%}
    merge into {{ relation }} as modelled
    using (select {{ key }} from {{ others }} as others) as changed on modelled.{{ key }} = changed.{{ key }}
    when matched then delete
{%- endmacro %}
