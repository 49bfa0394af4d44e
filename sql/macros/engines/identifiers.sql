{# A column's name that is a reserved word somewhere. Snowflake reserves `trigger`, and takes names without quotes for
   upper case. In the contracts such a column is named by the same rule. #}
{% macro identifier(name) -%}
    {{ return(adapter.dispatch('identifier', 'statsig_runs')(name)) }}
{%- endmacro %}

{% macro default__identifier(name) -%} {{ return(name) }} {%- endmacro %}

{% macro snowflake__identifier(name) -%} {{ return('"' ~ name | upper ~ '"') }} {%- endmacro %}
