{# Schemas are named exactly as the vars say. In a project that uses this one as a package and has a rule of its own for
   the names of schemas, that rule is followed. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- set team = context.get(project_name) if project_name != 'statsig_runs' -%}
    {%- if team and 'generate_schema_name' in team -%}
        {{ team['generate_schema_name'](custom_schema_name, node) }}
    {%- else -%}
        {{ (custom_schema_name or target.schema) | trim }}
    {%- endif -%}
{%- endmacro %}
