{# What Sail does otherwise than Spark. These count only where this is the root project: in a team's own project on Spark,
   dbt's macros are used. #}

{# Sail takes no comment on what it creates. #}
{% macro spark__comment_clause() -%}
{%- endmacro %}

{% macro spark__persist_docs(relation, model, for_relation, for_columns) -%}
{%- endmacro %}


{# A table that is dropped leaves its files, and one created in their place has their rows: a seed is emptied instead. #}
{% macro spark__reset_csv_table(model, full_refresh, old_relation, agate_table) -%}
    {%- do run_query('delete from ' ~ old_relation) -%}
    {{ return('') }}
{%- endmacro %}


{# To dbt, Databricks is a kind of Spark, and would take these for its own. #}
{% macro databricks__comment_clause() -%}
    {{ return(dbt.databricks__comment_clause()) }}
{%- endmacro %}

{% macro databricks__persist_docs(relation, model, for_relation, for_columns) -%}
    {{ return(dbt.databricks__persist_docs(relation, model, for_relation, for_columns)) }}
{%- endmacro %}

{% macro databricks__reset_csv_table(model, full_refresh, old_relation, agate_table) -%}
    {{ return(dbt.databricks__reset_csv_table(model, full_refresh, old_relation, agate_table)) }}
{%- endmacro %}
