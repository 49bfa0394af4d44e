{# dbt-duckdb looks up the columns of each table before it writes their comments. Every mart has a contract, which names
   its columns: without the look-up a build takes a tenth less time. DuckLake takes no comment on a view's columns, and keeps
   each comment that was ever written: there only those are written that are new. #}
{% macro duckdb__alter_column_comment(relation, column_dict) -%}
    {%- set is_in_lake = adapter.is_ducklake(relation) -%}
    {%- set there = {} -%}
    {%- if is_in_lake and not relation.is_view -%}
        {%- for name, comment in run_query(comments_in_lake('column', relation)).rows -%}
            {%- do there.update({name: comment}) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- for name, column in column_dict.items() if not is_in_lake or there.get(name, column.description) != column.description %}
    comment on column {{ relation }}.{{ name }} is {{ duckdb_escape_comment(column.description) }};
    {%- else %}
    select 1;
    {%- endfor %}
{%- endmacro %}

{% macro duckdb__alter_relation_comment(relation, comment) -%}
    {%- if adapter.is_ducklake(relation) and not relation.is_view
        and run_query(comments_in_lake('table', relation)).rows[0][1] == comment -%}
        {{ return('select 1;') }}
    {%- endif -%}
    comment on {{ relation.type }} {{ relation }} is {{ duckdb_escape_comment(comment) }};
{%- endmacro %}

{% macro comments_in_lake(kind, relation) -%}
    select {{ kind }}_name, coalesce(comment, '') from duckdb_{{ kind }}s()
    where
        database_name = '{{ relation.database }}'
        and schema_name = '{{ relation.schema }}'
        and table_name = '{{ relation.identifier }}'
{%- endmacro %}
