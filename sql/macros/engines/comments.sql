{# dbt-duckdb looks up the columns of each table before it writes their comments. Every mart has a contract, which names
   its columns: without the look-up a build takes a tenth less time. DuckLake takes no comment on a view's columns. #}
{% macro duckdb__alter_column_comment(relation, column_dict) -%}
    {%- if relation.is_view and adapter.is_ducklake(relation) -%}
        {{ return('select 1') }}
    {%- endif -%}
    {%- for name, column in column_dict.items() %}
    comment on column {{ relation }}.{{ name }} is {{ duckdb_escape_comment(column.description) }};
    {%- endfor %}
{%- endmacro %}
