{# A view names what it reads without the database, where that is its own: so it still works in a copy of a DuckDB file
   under another name, or in one that is attached under another. #}
{% macro named_in_view(relation) -%}
    {{ relation.include(database=(relation.database != this.database)) }}
{%- endmacro %}
