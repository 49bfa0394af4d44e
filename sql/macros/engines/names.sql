{# A name without case and outer white space: people write `Events ` where a run has `events`. #}
{% macro folded_name(name) -%}
    lower({{ adapter.dispatch('without_outer_space', 'statsig_runs')(name) }})
{%- endmacro %}

{% macro default__without_outer_space(name) -%}
    trim(both ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13) from {{ name }})
{%- endmacro %}

{% macro duckdb__without_outer_space(name) -%}
    trim({{ name }}, ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13))
{%- endmacro %}

{% macro snowflake__without_outer_space(name) -%}
    trim({{ name }}, ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13))
{%- endmacro %}

{% macro bigquery__without_outer_space(name) -%}
    trim({{ name }}, ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13))
{%- endmacro %}
