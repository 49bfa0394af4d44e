{# The loader writes no comments. Where this is the root project its tables are ours to describe; in a team's own project
   they may belong to somebody else. #}
{% macro comment_on_raw_tables() -%}
    {%- if execute and project_name == 'statsig_runs' -%}
        {{ return(adapter.dispatch('comment_on_raw_tables', 'statsig_runs')()) }}
    {%- endif -%}
{%- endmacro %}

{% macro default__comment_on_raw_tables() -%}
{%- endmacro %}

{% macro duckdb__comment_on_raw_tables() -%}
    {%- for table in graph.sources.values() if table.package_name == 'statsig_runs' -%}
        {%- set relation = load_relation(api.Relation.create(table.database, table.schema, table.identifier)) -%}
        {%- if relation %}
            {{ duckdb__alter_relation_comment(relation, table.description) }}
            {{ duckdb__alter_column_comment(relation, table.columns) }}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro %}

{% macro postgres__comment_on_raw_tables() -%}
    {%- for table in graph.sources.values() if table.package_name == 'statsig_runs' -%}
        {%- set relation = load_relation(api.Relation.create(table.database, table.schema, table.identifier)) -%}
        {%- if relation %}
            comment on table {{ relation }} is {{ postgres_escape_comment(table.description) }};
            {%- for name, column in table.columns.items() %}
                comment on column {{ relation }}.{{ name }} is {{ postgres_escape_comment(column.description) }};
            {%- endfor -%}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro %}

{# To dbt, Redshift is a kind of PostgreSQL, and nothing of this was run there. #}
{% macro redshift__comment_on_raw_tables() -%}
{%- endmacro %}
